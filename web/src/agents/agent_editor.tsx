// Changing an agent: a draft, the difference before it is stored, and the way out where somebody
// was faster.
import { useEffect, useState } from 'preact/hooks';

import { type ApiError, call, error_of } from '../api/client';
import { announce } from '../app/announce';
import { navigate } from '../app/router';
import { Dialog } from '../parts/dialog';
import { Banner } from '../parts/states';
import { agent_path } from '../routes';
import type { AgentSpec, RegisteredAgent } from '../../generated/api';
import { fetch_agent, put_agent } from './agent_calls';
import { AgentForm } from './agent_form';
import { ChangeList } from './change_list';
import { changes_between, combined, type Definition } from './changes';
import { Conflict, type Theirs } from './conflict';
import { definition_of, form_of, type Problem } from './form_state';
import { problem_of } from './problems';
import { useDraft } from './use_draft';

async function fetch_theirs(name: string): Promise<Theirs> {
  const audit = await call('GET /api/v1/audit', { query: { kind: 'agent', name, limit: 1 } });
  const by = audit.entries[0];
  try {
    const one = await fetch_agent(name);
    return { definition: one.agent as unknown as Definition, revision: one.revision, by };
  } catch (thrown) {
    if (error_of(thrown).code === 'not_found') return { definition: undefined, revision: 0, by };
    throw thrown;
  }
}

interface Props {
  one: RegisteredAgent;
  saved: () => Promise<void>;
}

export function AgentEditor({ one, saved }: Props) {
  const draft = useDraft(one.name, one.agent as unknown as Definition, one.revision);
  const { definition: mine, problems: unreadable } = definition_of(draft.form, draft.base);
  const [refused, set_refused] = useState<ApiError>();
  const [tried, set_tried] = useState(false);
  const [theirs, set_theirs] = useState<Theirs>();
  const [reviewing, set_reviewing] = useState(false);
  const [busy, set_busy] = useState(false);
  const refused_field = refused && problem_of(refused);
  const problems: Problem[] = [...(tried ? unreadable : []), ...(refused_field ? [refused_field] : [])];

  // Where nothing is typed, the form is what is stored, also when that moves on. What was looked at
  // may be older than what a conflict has shown.
  useEffect(() => {
    if (!draft.changed && one.revision > draft.revision)
      draft.rebase(one.agent as unknown as Definition, one.revision);
  }, [one.revision, draft.changed]);
  const behind = draft.changed && one.revision > draft.revision && !theirs;
  const compare = async (): Promise<void> => {
    try {
      set_theirs(await fetch_theirs(one.name));
    } catch (thrown) {
      set_refused(error_of(thrown));
    }
  };

  const review = (): void => {
    set_tried(true);
    if (unreadable.length === 0) set_reviewing(true);
  };
  const save = async (revision: number): Promise<void> => {
    set_busy(true);
    set_refused(undefined);
    try {
      await put_agent(mine as unknown as AgentSpec, revision);
      draft.drop();
      announce(`${one.name} is saved`);
      await saved();
      navigate(agent_path(one.name));
    } catch (thrown) {
      await not_saved(error_of(thrown));
    }
    set_reviewing(false);
    set_busy(false);
  };
  // A conflict is shown with what is stored; one without a later change is told as it is.
  const not_saved = async (error: ApiError): Promise<void> => {
    try {
      const found = error.code === 'conflict' ? await fetch_theirs(one.name) : undefined;
      if (found && found.revision !== draft.revision) set_theirs(found);
      else set_refused(error);
    } catch (thrown) {
      set_refused(error_of(thrown));
    }
  };
  const take_theirs = (): void => {
    if (!theirs?.definition) {
      draft.drop();
      return navigate('/agents');
    }
    draft.rebase(theirs.definition, theirs.revision);
    set_theirs(undefined);
    announce('The form shows what is stored');
  };
  const combine = (): void => {
    if (!theirs?.definition) return;
    const both = combined(draft.base, mine, theirs.definition) as Definition;
    draft.rebase(theirs.definition, theirs.revision, form_of(both));
    set_theirs(undefined);
    announce('The form has both changes; nothing is saved yet');
  };

  const changes = changes_between(draft.base, mine);
  return (
    <>
      {theirs && (
        <Conflict
          base={draft.base}
          mine={mine}
          theirs={theirs}
          take_theirs={take_theirs}
          combine={combine}
          save_mine={() => void save(theirs.revision)}
        />
      )}
      {behind && (
        <div class="banner" role="status">
          <p>Somebody stored a change while you were typing. Yours is not lost.</p>
          <button onClick={() => void compare()}>Compare</button>
        </div>
      )}
      {refused && !refused_field && <Banner error={refused} />}
      <AgentForm
        form={draft.form}
        problems={problems}
        fixed_name
        change={(form) => {
          set_refused(undefined);
          draft.change(form);
        }}
        submit={review}
      >
        <button class="primary" disabled={!draft.changed || busy}>
          Review changes
        </button>
        {draft.changed && (
          <button type="button" onClick={() => draft.rebase(one.agent as unknown as Definition, one.revision)}>
            Discard
          </button>
        )}
        <span class="dim" role="status">
          {draft.changed ? 'Not saved. The draft stays in this tab.' : 'Nothing is changed.'}
        </span>
      </AgentForm>
      {reviewing && (
        <Dialog title={`Save ${one.name}?`} close={() => set_reviewing(false)}>
          <ChangeList changes={changes} />
          <p class="help">Units that are started from now on follow it.</p>
          <div class="actions">
            <button class="primary" disabled={busy} onClick={() => void save(draft.revision)}>
              Save
            </button>
            <button onClick={() => set_reviewing(false)}>Back</button>
          </div>
        </Dialog>
      )}
    </>
  );
}
