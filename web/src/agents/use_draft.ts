// A draft of an agent that is not lost: not by a reload, which the tab's own storage survives, and
// not by a link that was clicked without thinking.
import { useEffect, useState } from 'preact/hooks';

import { guard_leaving } from '../app/router';
import { type Definition, same } from './changes';
import { definition_of, type Form, form_of } from './form_state';

interface Kept {
  base: Definition;
  revision: number;
  form: Form;
}

export interface Draft extends Kept {
  changed: boolean;
  // What was stored meanwhile: the draft is measured against that from now on.
  rebase: (base: Definition, revision: number, form?: Form) => void;
  change: (form: Form) => void;
  drop: () => void; // nothing is kept any more
}

function kept_at(place: string): Kept | undefined {
  try {
    return JSON.parse(sessionStorage.getItem(place) ?? '') as Kept;
  } catch {
    return undefined;
  }
}

export function useDraft(name: string, base: Definition, revision: number): Draft {
  const place = `draft:${name}`;
  const [state, set_state] = useState<Kept>(
    () => kept_at(place) ?? { base, revision, form: form_of(base) },
  );
  const changed = !same(
    definition_of(state.form, state.base).definition,
    definition_of(form_of(state.base), state.base).definition,
  ) || definition_of(state.form, state.base).problems.length > 0;
  useEffect(() => {
    if (changed) sessionStorage.setItem(place, JSON.stringify(state));
    else sessionStorage.removeItem(place);
  }, [place, state, changed]);
  useEffect(() => {
    if (!changed) return;
    const stay = (event: BeforeUnloadEvent): void => event.preventDefault();
    addEventListener('beforeunload', stay);
    guard_leaving(() => confirm('Leave without saving? The draft stays in this tab.'));
    return () => {
      removeEventListener('beforeunload', stay);
      guard_leaving(undefined);
    };
  }, [changed]);
  return {
    ...state,
    changed,
    rebase: (next, at, form) => set_state({ base: next, revision: at, form: form ?? form_of(next) }),
    change: (form) => set_state((before) => ({ ...before, form })),
    drop: () => {
      sessionStorage.removeItem(place);
      guard_leaving(undefined);
    },
  };
}
