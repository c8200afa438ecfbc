import { Redacted, type Codec } from 'juju-ts-ops';

/** A secret that some charms write into a databag in clear: it is hidden as soon as it is read. */
export const hidden: Codec<Redacted> = {
  decode: (text) => new Redacted(text),
  encode: (value) => value.reveal(),
};
