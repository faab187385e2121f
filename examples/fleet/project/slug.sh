#!/bin/sh
# The link of a title: slug.sh "A Title" prints a-title.
printf '%s\n' "$1" | tr 'A-Y ' 'a-y-'
