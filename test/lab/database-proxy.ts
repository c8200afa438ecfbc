// The service of maas-region that follows the primary, without the charm: node database-proxy.ts <folder>
import { follow } from '../../charms/maas-region/src/database/proxy/follow.ts';

// What tests find it by: Node's own name for its first thread is another one in each version.
process.title = 'database-proxy';
await follow(process.argv[2] ?? '');
