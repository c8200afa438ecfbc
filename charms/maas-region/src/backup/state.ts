/** A backup that is being put back. */
export interface Backup {
  /** The file by which hooks know what is being restored, and whether something is. */
  readonly restoreFile: string;
  readonly isRestoring: boolean;
}
