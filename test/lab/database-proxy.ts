// The service of maas-region that follows the primary, without the charm: node database-proxy.ts <folder>
import { follow } from '../../charms/maas-region/src/database-proxy/follow.ts';

await follow(process.argv[2] ?? '');
