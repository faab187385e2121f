// Where an error of the API belongs: at a field, or above the form. Pure.
import type { ApiError } from '../api/client';
import { field_at } from './fields';
import type { Problem } from './form_state';

export function problem_of(error: ApiError): Problem | undefined {
  const field = error.pointer === '' ? undefined : field_at(error.pointer);
  return field && { path: field.path, text: error.message };
}
