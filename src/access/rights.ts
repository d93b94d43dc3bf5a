/** What there is to be allowed. */

/** Rights on files and directories, by their names. */
export const PATH_RIGHTS = ['read', 'list', 'write', 'delete'] as const;

/** Rights on the server itself. observe: see everything. control: end transfers, discard uploads. */
export const SERVER_RIGHTS = ['observe', 'control'] as const;

export const RIGHTS = [...PATH_RIGHTS, ...SERVER_RIGHTS] as const;

export type PathRight = (typeof PATH_RIGHTS)[number];

export type ServerRight = (typeof SERVER_RIGHTS)[number];

export type Right = (typeof RIGHTS)[number];

export function isPathRight(right: Right): right is PathRight {
  return (PATH_RIGHTS as readonly Right[]).includes(right);
}
