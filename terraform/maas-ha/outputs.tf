output "app_names" {
  description = "Names of the applications in the model, by charm."
  value = {
    haproxy        = module.haproxy.app_name
    keepalived_vip = module.keepalived_vip.app_name
    maas_rack      = module.maas_rack.app_name
    maas_region    = module.maas_region.app_name
    postgresql     = juju_application.postgresql.name
  }
}

output "provides" {
  description = "Endpoints that each charm provides, by charm."
  value = {
    haproxy        = module.haproxy.provides
    keepalived_vip = module.keepalived_vip.provides
    maas_rack      = module.maas_rack.provides
    maas_region    = module.maas_region.provides
  }
}

output "requires" {
  description = "Endpoints that each charm requires, by charm."
  value = {
    haproxy        = module.haproxy.requires
    keepalived_vip = module.keepalived_vip.requires
    maas_rack      = module.maas_rack.requires
    maas_region    = module.maas_region.requires
  }
}
