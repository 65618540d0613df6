# Prints what may spoil figures on a Linux machine, one thing a line, the kind in front.
# POSIX sh, no root, no change to the machine; takes half a second.
main() {
    LC_ALL=C
    export LC_ALL
    cpu=/sys/devices/system/cpu

    counters() {
        sed -n 's/^cpu  */cpu /p' /proc/stat
        sed -n -e 's/^pswpin //p' -e 's/^pswpout //p' /proc/vmstat | tr '\n' ' ' | sed 's/^/swapped /'
        echo
    }

    counters
    echo "release $(uname -r)"
    if grep -q '^flags.* hypervisor' /proc/cpuinfo || [ -d /sys/hypervisor/properties ]; then echo 'guest yes'; else echo 'guest no'; fi
    echo "cpus $(getconf _NPROCESSORS_ONLN 2>/dev/null || grep -c '^processor' /proc/cpuinfo)"
    sed 's/^/load /' /proc/loadavg
    sed -n -E 's/^(MemTotal|SwapTotal|SwapFree):/mem &/p' /proc/meminfo
    grep -s . /sys/class/power_supply/*/status /sys/class/power_supply/*/scope \
        /sys/firmware/acpi/platform_profile \
        $cpu/cpufreq/policy*/scaling_governor $cpu/cpufreq/policy*/energy_performance_preference \
        $cpu/cpufreq/boost $cpu/intel_pstate/no_turbo $cpu/smt/active \
        $cpu/cpu[0-9]*/thermal_throttle/core_throttle_count \
        $cpu/cpu[0-9]*/thermal_throttle/package_throttle_count \
        /sys/fs/cgroup/cpu.max /dev/null | sed 's/^/file /'
    cat /proc/[0-9]*/comm 2>/dev/null | sort -u | sed 's/^/comm /'
    sleep 0.5 2>/dev/null || sleep 1
    counters
}
main "$@" </dev/null
