"""`maas-region shell`."""

import sys
import types

from .config_files import django_config
from .database import query
from .environment import SHORT


def shell(args):
    """Django's, with as much of MAAS' own code as is asked for. Unlike MAAS' own commands it connects to nothing by itself."""
    conf = django_config()
    layer = ServiceLayer()

    class SecretManager:
        def __init__(self):
            # It asks MAAS' configuration whether there is a Vault.
            layer.ensure_initialized()

        def set_simple_secret(self, name, value):
            if name not in GLOBAL_SECRETS:
                raise UnknownSecret(f"Unknown secret '{name}'")
            query(conf, "INSERT INTO maasserver_secret VALUES (%s, %s) ON CONFLICT (path) DO UPDATE SET value = excluded.value", (name, value))

    class FullyConnected:
        def __enter__(self):
            layer.is_connected = True
            layer.init()

        def __exit__(self, *_):
            layer.is_connected = layer.is_initialized = False

    modules = {"maasserver.utils.orm": {"FullyConnected": FullyConnected}}
    if SHORT >= (3, 3):
        modules["maasserver.secrets"] = {"SecretManager": SecretManager}
    if SHORT >= (3, 7):
        modules["maasserver.sqlalchemy"] = {"service_layer": layer}
    for name, content in modules.items():
        sys.modules[name] = types.ModuleType(name)
        vars(sys.modules[name]).update(content)
    exec(args.command, {})


GLOBAL_SECRETS = ("external-auth", "ipmi-k_g-key", "macaroon-key", "omapi-key", "rpc-shared", "tls", "vcenter-password")


class UnknownSecret(Exception):
    pass


class ServiceLayerNotInitialized(Exception):
    pass


class ServiceLayer:
    """From 3.7 on what MAAS keeps is reached through this, which belongs to a thread and a connection; before it is not there."""

    is_connected = False
    is_initialized = False

    def init(self):
        self.is_initialized = True

    def ensure_initialized(self):
        if SHORT < (3, 7):
            return
        if not self.is_initialized:
            raise ServiceLayerNotInitialized(
                "Service layer not initialized in this thread. This is likely to be a programming error and should never happen."
            )
        if not self.is_connected:
            raise AttributeError("'NoneType' object has no attribute 'cursor'")
