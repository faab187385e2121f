#!/bin/sh
# The tests of slug.sh; exit status 1 when one fails.
cd "$(dirname "$0")" || exit 2
passed=0
failed=0

check() { # TITLE WANTED
  got=$(./slug.sh "$1")
  if [ "$got" = "$2" ]; then
    passed=$((passed + 1))
    return
  fi
  failed=$((failed + 1))
  echo "FAIL: '$1' gave '$got', wanted '$2'"
}

check 'Hello' 'hello'
check 'Hello World' 'hello-world'
check 'Rock & Roll' 'rock-roll'
check 'Chapter 7: The End' 'chapter-7-the-end'
check 'Who goes there?' 'who-goes-there'

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
