import { useCallback, useState } from 'preact/hooks';

import { type ApiError, error_of } from '../api/client';
import { announce } from '../app/announce';
import { useLive } from '../app/live';
import { navigate, usePlace } from '../app/router';
import { Banner, Loading } from '../parts/states';
import { agent_path } from '../routes';
import type { AgentSpec } from '../../generated/api';
import { fetch_agent, put_agent } from './agent_calls';
import { AgentForm } from './agent_form';
import type { Definition } from './changes';
import { definition_of, type Problem } from './form_state';
import { problem_of } from './problems';
import { useDraft } from './use_draft';

// Of a name in the address of the page that shows it: "/agents//" would be another.
const nameless: Problem = { path: 'name', text: 'An agent needs a name' };

// `?from=NAME`: all but its name is as that one has it.
export function NewAgentPage() {
  const from = usePlace().query.get('from') ?? '';
  return from === '' ? <NewAgent from="" like={{}} /> : <Copy key={from} from={from} />;
}

function Copy({ from }: { from: string }) {
  const load = useCallback((signal: AbortSignal) => fetch_agent(from, signal), [from]);
  const { value, error, again } = useLive(load, undefined);
  if (error) return <Banner error={error} again={again} />;
  if (!value) return <Loading what={from} />;
  const { name: _, ...like } = value.agent as unknown as Definition;
  return <NewAgent from={from} like={like} />;
}

function NewAgent({ from, like }: { from: string; like: Definition }) {
  const draft = useDraft(`+${from}`, like, 0);
  const { definition, problems: unreadable } = definition_of(draft.form, draft.base);
  const [refused, set_refused] = useState<ApiError>();
  const [tried, set_tried] = useState(false);
  const [busy, set_busy] = useState(false);
  const refused_field = refused && problem_of(refused);
  const unready = definition.name === undefined ? [nameless, ...unreadable] : unreadable;
  const problems = [...(tried ? unready : []), ...(refused_field ? [refused_field] : [])];

  const create = async (): Promise<void> => {
    set_tried(true);
    if (unready.length > 0) return;
    set_busy(true);
    try {
      const made = await put_agent(definition as unknown as AgentSpec, 0);
      draft.drop();
      announce(`${made.name} is created`);
      navigate(agent_path(made.name));
    } catch (thrown) {
      set_refused(error_of(thrown));
    }
    set_busy(false);
  };

  return (
    <>
      <header class="page-head">
        <div>
          <p class="crumbs">
            <a href="/agents">Agents</a>
          </p>
          <h1 tabIndex={-1}>New agent</h1>
          <p class="lead">
            {from === ''
              ? 'A name is enough: what is left empty is the server’s.'
              : `As ${from} is, under another name.`}
          </p>
        </div>
      </header>
      {refused && !refused_field && <Banner error={refused} />}
      <AgentForm
        form={draft.form}
        problems={problems}
        fixed_name={false}
        change={(form) => {
          set_refused(undefined);
          draft.change(form);
        }}
        submit={() => void create()}
      >
        <button class="primary" disabled={busy}>
          Create agent
        </button>
        {draft.changed ? (
          <button type="button" onClick={() => draft.rebase(like, 0)}>
            Discard
          </button>
        ) : (
          <a class="button" href="/agents">
            Cancel
          </a>
        )}
        {draft.changed && <span class="dim">The draft stays in this tab.</span>}
      </AgentForm>
    </>
  );
}
