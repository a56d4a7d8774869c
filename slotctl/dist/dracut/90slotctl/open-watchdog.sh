#!/bin/sh
# dracut: opens the watchdog that bootshim has armed, before udev loads drivers.

open-watchdog >/dev/console 2>&1
