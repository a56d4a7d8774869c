#!/bin/sh
# dracut: opens the watchdog that bootshim has armed, before udev loads drivers. A kernel
# that ends from here on leaves its last words in the firmware's variables, where there
# are any.

open-watchdog >/dev/console 2>&1
modprobe -q efi_pstore
