output "app_name" {
  description = "Name of the application in the model."
  value       = juju_application.maas_region.name
}

output "provides" {
  description = "Endpoints that the charm provides."
  value = {
    api       = "api"
    cos_agent = "cos-agent"
    juju_info = "juju-info"
    rpc       = "rpc"
  }
}

output "requires" {
  description = "Endpoints that the charm requires."
  value = {
    certificates = "certificates"
    database     = "database"
    db           = "db"
    vip          = "vip"
  }
}
