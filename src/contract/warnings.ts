/**
 * What a build found out about its output that does not fail it. A closed list, like the failure codes; docs/artifacts.md says what to do.
 *
 * - FUNCTION_UNPROVEN: its handler did not load or answer in the build, for a reason that may be the build's (a variable that only the deployed function has)
 * - FUNCTION_LARGE: it has more than 80 % of the 250 MB that Lambda accepts
 * - LINK_DANGLING: a symbolic link in a function leads to nothing
 * - SECRET_IN_FUNCTION: a function contains what was handed over as a secret, or a .env file with what looks like one
 */
export const WARNING_CODES = ['FUNCTION_UNPROVEN', 'FUNCTION_LARGE', 'LINK_DANGLING', 'SECRET_IN_FUNCTION'] as const;
export type WarningCode = (typeof WARNING_CODES)[number];

/** As the build reports it: shown to the tenant, decides nothing. */
export interface BuildWarning {
  readonly code: WarningCode;
  /** One line that names function, file or variable; never a secret's value. */
  readonly message: string;
}
