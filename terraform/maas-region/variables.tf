variable "app_name" {
  description = "Name of the application in the model."
  type        = string
  default     = "maas-region"
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
  description = "Options of the charm, by name; docs/reference/maas-region.md has them all."
  type        = map(string)
  default     = {}
}

variable "constraints" {
  description = "Constraints of the machines; null for those of the model."
  type        = string
  default     = null
}

variable "machines" {
  description = "Machines to deploy to, one unit each; null for new ones, as many as units says."
  type        = set(string)
  default     = null
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

variable "units" {
  description = "Number of units."
  type        = number
  default     = 3
}
