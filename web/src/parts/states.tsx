// Loading, nothing there, and what went wrong: each with what to do next.
import type { ComponentChildren } from 'preact';

import type { ApiError } from '../api/client';

export function Banner({ error, again }: { error: ApiError; again?: () => void }) {
  return (
    <div class="banner bad" role="alert">
      <p>
        <strong>{error.message}</strong>
        {error.next !== '' && <span class="next">{error.next}</span>}
      </p>
      {again && <button onClick={again}>Try again</button>}
    </div>
  );
}

export function Empty({ title, children }: { title: string; children?: ComponentChildren }) {
  return (
    <section class="empty">
      <h1 tabIndex={-1}>{title}</h1>
      <div>{children}</div>
    </section>
  );
}

export function Nothing({ title, children }: { title: string; children?: ComponentChildren }) {
  return (
    <div class="empty">
      <p class="empty-title">{title}</p>
      <div>{children}</div>
    </div>
  );
}

export function Loading({ what }: { what: string }) {
  return (
    <div class="loading" role="status" aria-label={`Loading ${what}`}>
      <span />
      <span />
      <span />
    </div>
  );
}
