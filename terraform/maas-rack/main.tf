resource "juju_application" "maas_rack" {
  name       = var.app_name
  model_uuid = var.model_uuid

  charm {
    name     = var.charm_name
    channel  = var.channel
    revision = var.revision
    base     = var.base
  }

  config      = var.config
  constraints = var.constraints
  machines    = var.machines
  units       = var.machines == null ? var.units : null
}
