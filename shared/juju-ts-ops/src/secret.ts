import type { Redacted } from './redacted.ts';

/** A secret that this charm owns: its name is written once, and what is not there to be named does not compile. */
export class OwnSecret {
  /** Juju's label, by which the owner finds it again. */
  readonly label: string;
  // So that nothing that merely has a label passes for one.
  declare protected readonly isOwn: true;

  constructor(label: string) {
    this.label = label;
  }
}

/** How often the owner is told to make a new revision of a secret. */
export type Rotation = 'never' | 'hourly' | 'daily' | 'weekly' | 'monthly' | 'quarterly' | 'yearly';

/**
 * A secret of this application's or this unit's own, as it should be. In a databag it stands for its URI, which Juju
 * gives out when the secret is made: so a databag cannot name one that nobody makes. Where there is none, the key of
 * the databag goes.
 */
export interface SecretPlan {
  readonly secret: OwnSecret;
  /** The application if absent. What the application owns only the leader writes. */
  readonly owner?: 'application' | 'unit';
  /**
   * Other content makes a new revision; `absent` removes the secret; `kept` leaves it as it is, or not made, where this
   * unit does not know what it should be.
   */
  readonly content: Readonly<Record<string, Redacted>> | 'absent' | 'kept';
  /** The relations whose other end may read it. From all others it is revoked. */
  readonly grants: readonly { readonly id: number; readonly app: string }[];
  readonly description?: string;
  /** How often Juju runs `secret-rotate`; never if absent. */
  readonly rotate?: Rotation;
  /** When Juju runs `secret-expired`, in RFC 3339; never if absent. */
  readonly expire?: string;
}

/** A secret of this unit's own: the only kind whose URI every unit knows. */
export type UnitSecretPlan = SecretPlan & { readonly owner: 'unit' };

/** Whether a value of a databag stands for the URI of an own secret. */
export function isSecretPlan(value: unknown): value is SecretPlan {
  return (
    typeof value === 'object' && value !== null && 'secret' in value && value.secret instanceof OwnSecret
  );
}
