output "app_name" {
  description = "Name of the application in the model."
  value       = juju_application.maas_rack.name
}

output "provides" {
  description = "Endpoints that the charm provides."
  value = {
    cos_agent = "cos-agent"
    juju_info = "juju-info"
  }
}

output "requires" {
  description = "Endpoints that the charm requires."
  value = {
    rpc = "rpc"
  }
}
