#!/bin/sh
got=$(./slug.sh "Zen Garden")
[ "$got" = zen-garden ] || { echo "slug of 'Zen Garden' is $got"; exit 1; }
echo ok
