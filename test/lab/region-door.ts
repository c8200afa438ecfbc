// What a region does around its restart, without the charm: node region-door.ts turn-away | welcome
import { turnAway, welcome } from '../../charms/maas-region/src/region/door.ts';

await (process.argv[2] === 'welcome' ? welcome() : turnAway());
