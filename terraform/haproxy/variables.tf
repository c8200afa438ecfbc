variable "app_name" {
  description = "Name of the application in the model."
  type        = string
  default     = "haproxy"
}

variable "base" {
  description = "Operating system of the machines."
  type        = string
  default     = "ubuntu@24.04"
}

variable "channel" {
  description = "Channel of the charm."
  type        = string
  default     = "latest/stable"
}

variable "charm_name" {
  description = "Name of the charm on Charmhub."
  type        = string
}

variable "config" {
  description = "Options of the charm, by name; docs/reference/haproxy.md has them all."
  type        = map(string)
  default     = {}
}

variable "model_uuid" {
  description = "UUID of the model to deploy to."
  type        = string
}

variable "revision" {
  description = "Revision of the charm; null for the newest of the channel."
  type        = number
  default     = null
}
