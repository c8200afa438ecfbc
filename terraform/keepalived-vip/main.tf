resource "juju_application" "keepalived_vip" {
  name       = var.app_name
  model_uuid = var.model_uuid

  charm {
    name     = var.charm_name
    channel  = var.channel
    revision = var.revision
    base     = var.base
  }

  # A subordinate: Juju refuses constraints, and has a unit beside each unit of its principal.
  config = var.config
}
