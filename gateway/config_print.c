/* config_print.c - the part of config.h that tells of all settings. */
#include "gateway/config.h"

#include <string.h>

void config_print_help(FILE *to)
{
    fputs("usage: sluice [--config FILE] [--SETTING VALUE]...\n\n"
          "A message broker that speaks STOMP 1.0-1.2 and AMQP 0-9-1.  Every setting may also\n"
          "stand in the file, under its section; the command line wins.\n",
          to);
    for (size_t i = 0; i < SETTINGS_COUNT; i++) {
        const struct setting *s = &SETTINGS[i];

        if (i == 0 || strcmp(s->section, SETTINGS[i - 1].section) != 0)
            fprintf(to, "\n[%s]\n", s->section);
        fprintf(to, "  --%s (%s)\n        %s\n", s->name, *s->fallback ? s->fallback : "empty",
                s->help);
    }
    fputs("\n  --export-definitions\n"
          "        write what a data directory that no process serves defines, as JSON\n"
          "  --check-store DIR\n        look whether a data directory is whole\n"
          "  --print-settings\n        write all of this as docs/settings.md has it\n"
          "  --version\n  --help\n",
          to);
}

void config_print_settings(FILE *to)
{
    fputs("# Settings\n\n"
          "Every setting is a flag (`--name value` or `--name=value`) and a line in the file that\n"
          "`--config FILE` names (`name = value` under `[section]`; comments begin with `;` or\n"
          "`#`). The command line wins over the file. Sizes may end in `k`, `m` or `g`. What\n"
          "cannot be read is said with file and line, and the process exits with status 2.\n\n"
          "On SIGHUP, and on `sluicectl reload`, the file is read again. What says `yes` under\n"
          "reload is applied at once, for what is decided from then on; of the rest the log says\n"
          "that it waits for a restart. A file that cannot be read changes nothing.\n\n"
          "This file is the output of `sluice --print-settings`.\n",
          to);
    for (size_t i = 0; i < SETTINGS_COUNT; i++) {
        const struct setting *s = &SETTINGS[i];

        if (i == 0 || strcmp(s->section, SETTINGS[i - 1].section) != 0)
            fprintf(to,
                    "\n## [%s]\n\n| name | default | reload | what it does |\n"
                    "| --- | --- | --- | --- |\n",
                    s->section);
        fprintf(to, "| `%s` | %s%s%s | %s | %s |\n", s->name, *s->fallback ? "`" : "",
                *s->fallback ? s->fallback : "empty", *s->fallback ? "`" : "",
                s->is_live ? "yes" : "no", s->help);
    }
}
