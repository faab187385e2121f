// What is around every page: where to go, who is signed in, keys, and the line that is read out.
import type { ComponentChildren } from 'preact';
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';

import { error_of } from '../api/client';
import { Dialog } from '../parts/dialog';
import { agent_path, path_of, route_of, title_of } from '../routes';
import { announce, Announcer } from './announce';
import { follow_links, navigate, usePlace } from './router';
import { Logo, useSession } from './session';
import { type Action, no_keys, press, shortcuts } from './shortcuts';

const places = [
  { page: 'agents', words: 'Agents' },
  { page: 'fleet', words: 'Fleet' },
  { page: 'audit', words: 'Audit' },
] as const;

const takes_text = (target: EventTarget | null): boolean =>
  target instanceof Element && target.closest('input, textarea, select, [contenteditable]') !== null;

function step(by: 1 | -1): void {
  const rows = [...document.querySelectorAll<HTMLElement>('[data-row]')];
  if (rows.length === 0) return;
  const at = rows.findIndex((row) => row === document.activeElement);
  const next = at < 0 ? (by > 0 ? 0 : rows.length - 1) : Math.min(Math.max(at + by, 0), rows.length - 1);
  rows[next]?.focus();
  rows[next]?.scrollIntoView({ block: 'nearest' });
}

function act(action: Action, show_help: () => void): void {
  const here = route_of(location.pathname);
  switch (action) {
    case 'next':
      return step(1);
    case 'previous':
      return step(-1);
    case 'search':
      return document.querySelector<HTMLInputElement>('input[type=search]')?.focus();
    case 'help':
      return show_help();
    case 'new':
      return navigate(path_of({ page: 'new-agent' }));
    case 'edit':
      if (here.page === 'agent') navigate(agent_path(here.name, 'edit'));
      return;
    default:
      return navigate(path_of({ page: action }));
  }
}

function useShortcuts(show_help: () => void): void {
  const state = useRef(no_keys);
  useEffect(() => {
    const listen = (event: KeyboardEvent): void => {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      if (event.key === 'Escape' && takes_text(event.target)) (event.target as HTMLElement).blur();
      if (takes_text(event.target) || document.querySelector('dialog[open]')) return;
      const [next, action] = press(state.current, event.key, event.timeStamp);
      state.current = next;
      if (!action) return;
      event.preventDefault();
      act(action, show_help);
    };
    addEventListener('keydown', listen);
    return () => removeEventListener('keydown', listen);
  }, [show_help]);
}

// Whoever goes to another page begins at its heading, also with a screen reader. Before it is seen:
// a key that is pressed then must find the focus where it will stay.
function useArrival(path: string): void {
  const first = useRef(true);
  useLayoutEffect(() => {
    document.title = `${title_of(route_of(path))} · drover`;
    if (first.current) {
      first.current = false;
      return;
    }
    scrollTo(0, 0);
    document.querySelector<HTMLElement>('main h1')?.focus();
  }, [path]);
}

export function Shell({ children }: { children: ComponentChildren }) {
  const { path } = usePlace();
  const session = useSession();
  const [help, set_help] = useState(false);
  useShortcuts(() => set_help(true));
  useArrival(path);
  const route = route_of(path);
  const section = route.page === 'agent' || route.page === 'new-agent' ? 'agents' : route.page;
  const sign_out = (): void => {
    session.sign_out().catch((thrown: unknown) => announce(error_of(thrown).message));
  };
  return (
    <div class="shell" onClick={follow_links}>
      <a class="skip" href="#main">
        Skip to the page
      </a>
      <header class="side">
        <a href="/agents" class="home" aria-label="drover: agents">
          <Logo />
        </a>
        <nav aria-label="Pages">
          {places.map(({ page, words }) => (
            <a key={page} href={`/${page}`} aria-current={section === page ? 'page' : undefined}>
              {words}
            </a>
          ))}
        </nav>
        <div class="side-foot">
          <p class="who" title="Who the audit names">
            {session.actor.replace(/^user:/, '')}
          </p>
          <button class="quiet" onClick={() => set_help(true)}>
            Keys
          </button>
          <button class="quiet" onClick={sign_out}>
            Sign out
          </button>
        </div>
      </header>
      <main id="main" tabIndex={-1}>
        {children}
      </main>
      <Announcer />
      {help && (
        <Dialog title="Keys" close={() => set_help(false)}>
          <dl class="keys">
            {shortcuts.map((one) => (
              <div key={one.keys}>
                <dt>
                  {one.keys.split(' ').map((key) => (
                    <kbd key={key}>{key}</kbd>
                  ))}
                </dt>
                <dd>{one.words}</dd>
              </div>
            ))}
          </dl>
        </Dialog>
      )}
    </div>
  );
}
