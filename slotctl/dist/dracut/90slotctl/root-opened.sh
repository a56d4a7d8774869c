#!/bin/sh
# dracut: whether it still has to wait for the root.

[ "$(getarg root=)" != /dev/mapper/slotctl-root ] || [ -e /run/slotctl-root-opened ]
