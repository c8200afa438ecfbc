import type { Redacted } from './redacted.ts';

/** The label of a secret that this charm owns. You write it once; another name does not compile. */
export class SecretLabel {
  /** Juju's label, by which the owner finds it again. */
  readonly label: string;
  // So that nothing that merely has a label passes for one.
  declare protected readonly isOwn: true;

  constructor(label: string) {
    this.label = label;
  }
}

/** How often Juju asks the owner of a secret for a new revision. */
export type Rotation = 'never' | 'hourly' | 'daily' | 'weekly' | 'monthly' | 'quarterly' | 'yearly';

/**
 * The desired state of a secret of this application or this unit. In a databag it stands for its URI, which Juju
 * assigns when the secret is created, so a databag cannot refer to a missing secret. If there is no secret, the key
 * is deleted from the databag.
 */
export interface SecretPlan {
  readonly secret: SecretLabel;
  /** The application if absent. Only the leader writes what the application owns. */
  readonly owner?: 'application' | 'unit';
  /**
   * New content makes a new revision. `absent` removes the secret. `kept` leaves it as it is, created or not, for a
   * unit that does not know its content.
   */
  readonly content: Readonly<Record<string, Redacted>> | 'absent' | 'kept';
  /** The relations whose other end may read it. All others lose their access. */
  readonly grants: readonly { readonly id: number; readonly app: string }[];
  readonly description?: string;
  /** How often Juju runs `secret-rotate`; never if absent. */
  readonly rotate?: Rotation;
  /** When Juju runs `secret-expired`, in RFC 3339; never if absent. */
  readonly expire?: string;
}

/** A secret that this unit owns: the only kind whose URI every unit knows. */
export type UnitSecretPlan = SecretPlan & { readonly owner: 'unit' };

/** Whether a value of a databag stands for the URI of an own secret. */
export function isSecretPlan(value: unknown): value is SecretPlan {
  return (
    typeof value === 'object' && value !== null && 'secret' in value && value.secret instanceof SecretLabel
  );
}
