output "app_name" {
  description = "Name of the application in the model."
  value       = juju_application.keepalived_vip.name
}

output "provides" {
  description = "Endpoints that the charm provides."
  value = {
    vip = "vip"
  }
}

output "requires" {
  description = "Endpoints that the charm requires."
  value = {
    juju_info = "juju-info"
  }
}
