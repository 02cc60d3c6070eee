/** Tells whether a request carries credentials, so that its answer may be meant for one user alone. */
export type IsAuthenticated = (request: object) => boolean;

interface MaybeAuthenticated {
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly user?: unknown;
  readonly session?: {
    readonly user?: unknown;
    readonly userId?: unknown;
    readonly passport?: { readonly user?: unknown };
  } | null;
  readonly socket?: {
    readonly encrypted?: boolean;
    readonly authorized?: boolean;
    getPeerCertificate?: () => object | null;
  };
  readonly raw?: { readonly socket?: MaybeAuthenticated['socket'] };
}

/**
 * The default of `isAuthenticated`: an Authorization or x-api-key header, `request.user`, a user in the session, or a
 * client certificate. Answers that depend on other credentials need `isAuthenticated`, `identity` or `bypass`.
 */
export const isAuthenticatedByDefault: IsAuthenticated = (request) => {
  const { headers, user, session } = request as MaybeAuthenticated;
  return (
    headers['authorization'] !== undefined ||
    headers['x-api-key'] !== undefined ||
    (user !== undefined && user !== null) ||
    (session !== undefined && session !== null && hasSessionUser(session)) ||
    hasClientCertificate(request as MaybeAuthenticated)
  );
};

function hasSessionUser(session: NonNullable<MaybeAuthenticated['session']>): boolean {
  return (session.user ?? session.userId ?? session.passport?.user) != null;
}

function hasClientCertificate({ socket, raw }: MaybeAuthenticated): boolean {
  const connection = socket ?? raw?.socket;
  if (connection?.encrypted !== true || connection.getPeerCertificate === undefined) return false;
  return Object.keys(connection.getPeerCertificate() ?? {}).length > 0;
}
