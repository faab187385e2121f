#!/bin/sh
# slug.sh TITLE: the title as it stands in a URL, lower case, its words joined by single dashes.
printf '%s' "$1" |
  tr '[:upper:]' '[:lower:]' |
  tr -c 'a-z0-9' '-'
echo
