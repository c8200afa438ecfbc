variable "haproxy" {
  description = "The application haproxy: the variables of the module of that name."
  type = object({
    app_name   = optional(string, "haproxy")
    base       = optional(string, "ubuntu@24.04")
    channel    = optional(string, "latest/stable")
    charm_name = string
    config     = optional(map(string), {})
    revision   = optional(number)
  })
}

variable "keepalived_vip" {
  description = "The application keepalived-vip: the variables of the module of that name."
  type = object({
    app_name   = optional(string, "keepalived-vip")
    base       = optional(string, "ubuntu@24.04")
    channel    = optional(string, "latest/stable")
    charm_name = string
    config     = optional(map(string), {})
    revision   = optional(number)
  })
}

variable "maas_rack" {
  description = "The application maas-rack: the variables of the module of that name."
  type = object({
    app_name    = optional(string, "maas-rack")
    base        = optional(string, "ubuntu@24.04")
    channel     = optional(string, "latest/stable")
    charm_name  = string
    config      = optional(map(string), {})
    constraints = optional(string)
    machines    = optional(set(string))
    revision    = optional(number)
    units       = optional(number, 2)
  })
}

variable "maas_region" {
  description = "The application maas-region: the variables of the module of that name."
  type = object({
    app_name    = optional(string, "maas-region")
    base        = optional(string, "ubuntu@24.04")
    channel     = optional(string, "latest/stable")
    charm_name  = string
    config      = optional(map(string), {})
    constraints = optional(string)
    machines    = optional(set(string))
    revision    = optional(number)
    units       = optional(number, 3)
  })
}

variable "model_uuid" {
  description = "UUID of the model to deploy to."
  type        = string
}

variable "postgresql" {
  description = "The application postgresql. One database serves all regions."
  type = object({
    app_name    = optional(string, "postgresql")
    base        = optional(string, "ubuntu@24.04")
    channel     = optional(string, "16/stable")
    config      = optional(map(string), {})
    constraints = optional(string)
    revision    = optional(number)
    units       = optional(number, 1)
  })
  default = {}
}

variable "vip" {
  description = "Virtual address of MAAS: a free address of the subnet of the regions."
  type        = string
}
