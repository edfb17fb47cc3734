#!/bin/sh
# Compiles the checks where nobody sees it, and runs them.
directory=$(mktemp -d) && trap 'rm -rf "$directory"' EXIT
mcs -nologo -out:"$directory/check.exe" -r:/usr/lib/mono/4.5/RabbitMQ.Client.dll mono/Check.cs &&
    mono "$directory/check.exe"
