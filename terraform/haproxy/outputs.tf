output "app_name" {
  description = "Name of the application in the model."
  value       = juju_application.haproxy.name
}

output "provides" {
  description = "Endpoints that the charm provides."
  value = {
    cos_agent = "cos-agent"
    website   = "website"
  }
}

output "requires" {
  description = "Endpoints that the charm requires."
  value = {
    certificates = "certificates"
    juju_info    = "juju-info"
    reverseproxy = "reverseproxy"
    vip          = "vip"
  }
}
