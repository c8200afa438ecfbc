// The configuration of the HA guide, mended only so far that it starts: the frontend's `retries` and `redispatch` and
// the missing timeouts in defaults, one `server` line for each machine, an absolute path of killall and script security.
import { CONFIG as HAPROXY_CFG } from '../../../charms/haproxy/src/render/haproxy-cfg.ts';
import { CONFIG as KEEPALIVED_CONF } from '../../../charms/keepalived-vip/src/render/keepalived-conf.ts';
import { VIP, WEB_PORT, type Files } from '../../lab/vip.ts';

/** The guide's two files on unit `number` of several. */
export function guideFiles(number: number, units: readonly number[]): Files {
  const servers = units.map((unit) => `    server m${unit} 10.9.0.1${unit}:${WEB_PORT} check`);
  const haproxy = `global
    stats socket /run/haproxy/admin.sock mode 660 level admin
defaults
    mode http
    retries 3
    option redispatch
    timeout connect 5s
    timeout client 30s
    timeout server 30s
frontend maas
    bind *:80
    option http-server-close
    default_backend maas
backend maas
    balance roundrobin
${servers.join('\n')}
`;
  const keepalived = `global_defs {
    enable_script_security
    script_user root
}
vrrp_script chk_haproxy {
    script "/usr/bin/killall -0 haproxy"
    interval 2
}
vrrp_instance maas_region {
    state MASTER
    interface eth0
    priority ${250 - 50 * number}
    virtual_router_id 51
    authentication {
        auth_type PASS
        auth_pass s3cr3t42
    }
    track_script {
        chk_haproxy
    }
    virtual_ipaddress {
        ${VIP}/24
    }
}
`;
  return new Map([
    [HAPROXY_CFG, { text: haproxy, mode: 0o644 }],
    [KEEPALIVED_CONF, { text: keepalived, mode: 0o600 }],
  ]);
}
