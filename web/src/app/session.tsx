// Signing in: by the link that `drover dashboard` prints, by the address that `drover up` prints, or
// by typing the token. Until somebody is signed in there is nothing else to see.
import type { ComponentChildren } from 'preact';
import { createContext } from 'preact';
import { useContext, useEffect, useRef, useState } from 'preact/hooks';

import { type ApiError, call, error_of, on_signed_out } from '../api/client';
import { Banner } from '../parts/states';
import type { DashboardSession, SignIn } from '../../generated/api';

// "#code=…" and "#token=…", as they are printed. Taken out of the address before anything else, so
// that neither is in the browser's history.
export function credential_of(hash: string): SignIn | undefined {
  const given = new URLSearchParams(hash.replace(/^#/, ''));
  for (const name of ['code', 'token'] as const) {
    const value = given.get(name);
    if (value) return { [name]: value };
  }
  return undefined;
}

interface Session {
  actor: string;
  sign_out: () => Promise<void>;
}
const SessionContext = createContext<Session>({ actor: '', sign_out: async () => {} });
export const useSession = (): Session => useContext(SessionContext);

async function sign_in(by: SignIn): Promise<DashboardSession | null> {
  const answer = await call('POST /api/v1/dashboard/session', { body: by });
  return answer.session;
}
async function present_session(): Promise<DashboardSession | null> {
  const answer = await call('GET /api/v1/dashboard/session', {});
  return answer.session;
}

type State =
  | { is: 'asking' }
  | { is: 'out'; error?: ApiError | undefined }
  | { is: 'in'; session: DashboardSession };

export function SessionGate({ children }: { children: ComponentChildren }) {
  const [state, set_state] = useState<State>({ is: 'asking' });
  const enter = async (by: SignIn | undefined): Promise<void> => {
    try {
      const session = await (by ? sign_in(by) : present_session());
      set_state(session ? { is: 'in', session } : { is: 'out' });
    } catch (thrown) {
      set_state({ is: 'out', error: error_of(thrown) });
    }
  };
  useEffect(() => {
    on_signed_out(() => set_state({ is: 'out' }));
    const arrive = (): void => {
      const by = credential_of(location.hash);
      if (by) history.replaceState(null, '', location.pathname + location.search);
      if (by || location.hash === '') void enter(by);
    };
    arrive();
    // The link may be opened in a tab that is here already.
    addEventListener('hashchange', arrive);
    return () => removeEventListener('hashchange', arrive);
  }, []);

  if (state.is === 'asking') return <main class="gate" aria-busy="true" aria-label="drover" />;
  if (state.is === 'out') return <SignInPage error={state.error} enter={enter} />;
  const sign_out = async (): Promise<void> => {
    await call('DELETE /api/v1/dashboard/session', {});
    set_state({ is: 'out' });
  };
  return (
    <SessionContext.Provider value={{ actor: state.session.actor, sign_out }}>
      {children}
    </SessionContext.Provider>
  );
}

interface SignInProps {
  error: ApiError | undefined;
  enter: (by: SignIn) => Promise<void>;
}

function SignInPage({ error, enter }: SignInProps) {
  const [token, set_token] = useState('');
  const [busy, set_busy] = useState(false);
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    document.title = 'Sign in · drover';
    heading.current?.focus();
  }, []);
  const submit = async (event: Event): Promise<void> => {
    event.preventDefault();
    set_busy(true);
    await enter({ token: token.trim() });
    set_busy(false);
  };
  return (
    <main class="gate">
      <div class="card gate-card">
        <Logo />
        <h1 ref={heading} tabIndex={-1}>
          Sign in
        </h1>
        <p>
          On the machine where the server runs, a link that signs this browser in is printed by
        </p>
        <pre class="command">drover dashboard</pre>
        {error && <Banner error={error} />}
        <form onSubmit={submit} class="gate-form">
          <label class="field-label" for="token">
            Or the server’s token
          </label>
          <input
            id="token"
            type="password"
            autocomplete="off"
            spellcheck={false}
            value={token}
            onInput={(event) => set_token(event.currentTarget.value)}
          />
          <p class="help">The part behind #token= of what drover up prints.</p>
          <button class="primary" disabled={busy || token.trim() === ''}>
            Sign in
          </button>
        </form>
      </div>
    </main>
  );
}

export function Logo() {
  return (
    <span class="logo">
      <svg viewBox="0 0 32 32" aria-hidden="true" class="logo-mark">
        <rect width="32" height="32" rx="8" />
        <path d="M8 22c3.5-9 12.5-9 16 0" />
        <circle cx="16" cy="10" r="2.2" />
        <circle cx="8" cy="22" r="2.2" />
        <circle cx="24" cy="22" r="2.2" />
      </svg>
      <span>drover</span>
    </span>
  );
}
