import { useEffect, useState } from 'preact/hooks';

import { usePlace } from '../app/router';
import { Choice, Search } from '../parts/search';
import { AuditList } from './audit_list';

const kinds = ['all', 'agent', 'task_type'] as const;
const typing_pause_ms = 250;

// The API looks for whole names: asked once somebody stops typing.
function useSettled(text: string): string {
  const [settled, set_settled] = useState(text);
  useEffect(() => {
    const timer = setTimeout(() => set_settled(text), typing_pause_ms);
    return () => clearTimeout(timer);
  }, [text]);
  return settled;
}

export function AuditPage() {
  const { query } = usePlace();
  const kind = kinds.find((one) => one === query.get('kind')) ?? 'all';
  const name = useSettled((query.get('q') ?? '').trim());
  return (
    <>
      <header class="page-head">
        <div>
          <h1 tabIndex={-1}>Audit</h1>
          <p class="lead">Who changed which agent or task type. The newest 10000 changes are kept.</p>
        </div>
      </header>
      <div class="tools">
        <Search label="Name of an agent or task type" />
        <Choice
          label="Kind"
          name="kind"
          usual="all"
          value={kind}
          choices={kinds}
          words={(one) => (one === 'agent' ? 'agents' : one === 'task_type' ? 'task types' : 'all')}
        />
      </div>
      <AuditList kind={kind === 'all' ? undefined : kind} name={name} />
    </>
  );
}
