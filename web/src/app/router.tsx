// Where the browser is, and going elsewhere without loading the page anew.
import type { ComponentChildren } from 'preact';
import { createContext } from 'preact';
import { useContext, useEffect, useState } from 'preact/hooks';

export interface Place {
  path: string;
  query: URLSearchParams;
}

const here = (): Place => ({
  path: location.pathname,
  query: new URLSearchParams(location.search),
});

// A page with unsaved work may ask before it is left.
let guard: (() => boolean) | undefined;
export function guard_leaving(may_leave: (() => boolean) | undefined): void {
  guard = may_leave;
}

const moved = 'drover-moved';
let current = '';

function tell(): void {
  current = location.pathname + location.search;
  dispatchEvent(new Event(moved));
}

export function navigate(path: string): void {
  const leaves = new URL(path, location.href).pathname !== location.pathname;
  if (leaves && guard && !guard()) return;
  history.pushState(null, '', path);
  tell();
}

// What is searched for is part of the address, and not a step of its own in the history.
export function set_query(changes: Record<string, string>): void {
  const query = new URLSearchParams(location.search);
  for (const [name, value] of Object.entries(changes))
    if (value === '') query.delete(name);
    else query.set(name, value);
  history.replaceState(null, '', query.size > 0 ? `?${query}` : location.pathname);
  tell();
}

function popped(): void {
  const leaves = location.pathname !== current.split('?')[0];
  if (leaves && guard && !guard()) {
    history.pushState(null, '', current);
    return;
  }
  tell();
}

const PlaceContext = createContext<Place>({ path: '/', query: new URLSearchParams() });
export const usePlace = (): Place => useContext(PlaceContext);

export function Router({ children }: { children: ComponentChildren }) {
  const [place, set_place] = useState(here);
  useEffect(() => {
    current = location.pathname + location.search;
    const follow = (): void => set_place(here());
    addEventListener(moved, follow);
    addEventListener('popstate', popped);
    return () => {
      removeEventListener(moved, follow);
      removeEventListener('popstate', popped);
    };
  }, []);
  return <PlaceContext.Provider value={place}>{children}</PlaceContext.Provider>;
}

// Clicks on links of this page, wherever they are; with a modifier they are the browser's.
export function follow_links(event: MouseEvent): void {
  if (event.defaultPrevented || event.button !== 0) return;
  if (event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
  const link = (event.target as Element | null)?.closest?.('a');
  if (!link || link.target !== '' || link.origin !== location.origin) return;
  if (link.hash !== '' && link.pathname === location.pathname) return;
  event.preventDefault();
  navigate(link.pathname + link.search);
}
