// The HTTP API, as openapi.json says it: a path, a parameter or a member that the server does not
// have is a type error.
import type { Error as ErrorBody, Operations } from '../../generated/api';

export type Code = ErrorBody['error']['code'] | 'unreachable';

export class ApiError extends Error {
  constructor(
    readonly code: Code,
    message: string,
    readonly next: string = '',
    readonly pointer: string = '',
  ) {
    super(message);
  }
}

export const error_of = (thrown: unknown): ApiError =>
  thrown instanceof ApiError ? thrown : new ApiError('internal', String(thrown));

export function address(
  pattern: string,
  path: Record<string, string> = {},
  query: Record<string, unknown> = {},
): string {
  const place = pattern.replace(/\{(\w+)\}/g, (_, name: string) =>
    encodeURIComponent(path[name] ?? ''));
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(query))
    if (value !== undefined && value !== '') search.set(name, String(value));
  return search.size > 0 ? `${place}?${search}` : place;
}

// Told when the server does not know this browser any more.
let signed_out = (): void => {};
export function on_signed_out(tell: () => void): void {
  signed_out = tell;
}

async function failure(reply: Response): Promise<ApiError> {
  try {
    const { error } = (await reply.json()) as ErrorBody;
    return new ApiError(error.code, error.message, error.next, error.pointer);
  } catch {
    return new ApiError('upstream', `the answer is ${reply.status} ${reply.statusText}, and not drover's`);
  }
}

export async function call<Name extends keyof Operations>(
  name: Name,
  ask: Operations[Name]['ask'],
  signal?: AbortSignal,
): Promise<Operations[Name]['reply']> {
  const [method = '', pattern = ''] = name.split(' ');
  const { path, query, body } = ask as {
    path?: Record<string, string>;
    query?: Record<string, unknown>;
    body?: unknown;
  };
  let reply: Response;
  try {
    reply = await fetch(address(pattern, path, query), {
      method,
      credentials: 'same-origin',
      ...(body === undefined
        ? {}
        : { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
      ...(signal ? { signal } : {}),
    });
  } catch (thrown) {
    if (signal?.aborted) throw thrown;
    throw new ApiError('unreachable', 'the server does not answer', 'start it with: drover up');
  }
  if (!reply.ok) {
    const error = await failure(reply);
    if (error.code === 'unauthenticated' && !pattern.endsWith('/session')) signed_out();
    throw error;
  }
  return (reply.status === 204 ? undefined : await reply.json()) as Operations[Name]['reply'];
}
