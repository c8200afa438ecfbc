"""A stand-in for MAAS: its commands and daemons, as far as high availability goes, on a real PostgreSQL.

What the real MAAS 3.4 refuses, this refuses in the same words. Times that MAAS counts in minutes are scaled by
`time_scale` of /etc/maas/double.conf, so that tests need not wait for them. Below another root (MAAS_ROOT) several
controllers run on one machine, each with an `address` and a `hostname` in its double.conf. Inside a snap (see
snap_double.py) it has the snap's paths, its command `maas` and its one service.

Each program is a module of its name, with a `main`; a command or a daemon loads no more than what it needs.

What the real one does and this does not, or does otherwise:

- Commands: help, `local_config_*` for Vault, `configauth`, `apikey --delete` and `--update`, `createadmin --ssh-import`; of the words of
  a traceback the last line is the same but for the module that it names.
- Packages: their scripts write an empty regiond.conf and rackd.conf and give them to the user maas, ask debconf for a rack's URL and
  secret, have logs, and turn nginx off and on. Of BIND they do what is done here.
- dbupgrade: few migrations, with names of this one's own; of two at once on an empty database the later one fails always, and in the same
  words; no views, no triggers; of Temporal's schema no more than its version, which is not the real number.
- regiond: port 5239 and its metrics, `/MAAS/a/` of 3.5 and later, images, Vault, websockets; every process counts as one event loop of a
  master; the wait after an error is scaled as all times are.
- API: of controllers, VLANs and ranges the fields that charms read, one fabric and one VLAN; of a rack's services rackd alone; users,
  subnets and all else are unknown.
- rackd: its DHCP server, name server, proxy, TFTP and their ports, the agent, and the addresses beside the one that it connects from; one
  connection to each event loop and not up to five; what it logs of every try, ten times a second with a wrong secret.
- Name servers are not told of: the real ones name of every region all static addresses, the virtual one among them.
- Temporal: regiond starts it itself, with sudo, once it has configured it, and it was once seen to hang at a stop as well; sudo comes with
  the packages. In the snap there is no API server and no Temporal.
- Nobody downloads machine-resources, with wget, through the URL that all have in common.
"""
