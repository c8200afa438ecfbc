resource "juju_application" "postgresql" {
  name       = var.postgresql.app_name
  model_uuid = var.model_uuid

  charm {
    name     = "postgresql"
    channel  = var.postgresql.channel
    revision = var.postgresql.revision
    base     = var.postgresql.base
  }

  # A region controller takes about 50 connections, and 3.5 and later need the extension.
  config = merge({
    experimental-max-connections = "300"
    plugin-btree-gin-enable      = "true"
    plugin-pgcrypto-enable       = "true"
  }, var.postgresql.config)
  constraints = var.postgresql.constraints
  units       = var.postgresql.units
}

module "maas_region" {
  source = "../maas-region"

  model_uuid  = var.model_uuid
  app_name    = var.maas_region.app_name
  base        = var.maas_region.base
  channel     = var.maas_region.channel
  charm_name  = var.maas_region.charm_name
  config      = var.maas_region.config
  constraints = var.maas_region.constraints
  machines    = var.maas_region.machines
  revision    = var.maas_region.revision
  units       = var.maas_region.units
}

module "maas_rack" {
  source = "../maas-rack"

  model_uuid  = var.model_uuid
  app_name    = var.maas_rack.app_name
  base        = var.maas_rack.base
  channel     = var.maas_rack.channel
  charm_name  = var.maas_rack.charm_name
  config      = var.maas_rack.config
  constraints = var.maas_rack.constraints
  machines    = var.maas_rack.machines
  revision    = var.maas_rack.revision
  units       = var.maas_rack.units
}

module "haproxy" {
  source = "../haproxy"

  model_uuid = var.model_uuid
  app_name   = var.haproxy.app_name
  base       = var.haproxy.base
  channel    = var.haproxy.channel
  charm_name = var.haproxy.charm_name
  config     = var.haproxy.config
  revision   = var.haproxy.revision
}

module "keepalived_vip" {
  source = "../keepalived-vip"

  model_uuid = var.model_uuid
  app_name   = var.keepalived_vip.app_name
  base       = var.keepalived_vip.base
  channel    = var.keepalived_vip.channel
  charm_name = var.keepalived_vip.charm_name
  revision   = var.keepalived_vip.revision
  config     = merge({ vip = var.vip }, var.keepalived_vip.config)
}

resource "juju_integration" "maas_region_database_postgresql" {
  model_uuid = var.model_uuid

  application {
    name     = module.maas_region.app_name
    endpoint = module.maas_region.requires.database
  }

  application {
    name     = juju_application.postgresql.name
    endpoint = "database"
  }
}

resource "juju_integration" "maas_region_rpc_maas_rack" {
  model_uuid = var.model_uuid

  application {
    name     = module.maas_region.app_name
    endpoint = module.maas_region.provides.rpc
  }

  application {
    name     = module.maas_rack.app_name
    endpoint = module.maas_rack.requires.rpc
  }
}

resource "juju_integration" "maas_region_juju_info_haproxy" {
  model_uuid = var.model_uuid

  application {
    name     = module.maas_region.app_name
    endpoint = module.maas_region.provides.juju_info
  }

  application {
    name     = module.haproxy.app_name
    endpoint = module.haproxy.requires.juju_info
  }
}

resource "juju_integration" "maas_region_api_haproxy" {
  model_uuid = var.model_uuid

  application {
    name     = module.maas_region.app_name
    endpoint = module.maas_region.provides.api
  }

  application {
    name     = module.haproxy.app_name
    endpoint = module.haproxy.requires.reverseproxy
  }
}

resource "juju_integration" "maas_region_juju_info_keepalived_vip" {
  model_uuid = var.model_uuid

  application {
    name     = module.maas_region.app_name
    endpoint = module.maas_region.provides.juju_info
  }

  application {
    name     = module.keepalived_vip.app_name
    endpoint = module.keepalived_vip.requires.juju_info
  }
}

resource "juju_integration" "maas_region_vip_keepalived_vip" {
  model_uuid = var.model_uuid

  application {
    name     = module.maas_region.app_name
    endpoint = module.maas_region.requires.vip
  }

  application {
    name     = module.keepalived_vip.app_name
    endpoint = module.keepalived_vip.provides.vip
  }
}

resource "juju_integration" "haproxy_vip_keepalived_vip" {
  model_uuid = var.model_uuid

  application {
    name     = module.haproxy.app_name
    endpoint = module.haproxy.requires.vip
  }

  application {
    name     = module.keepalived_vip.app_name
    endpoint = module.keepalived_vip.provides.vip
  }
}
