// libedit's el_set, el_get and history are variadic, which Swift cannot call: one wrapper each for
// what the shell uses. Wide text goes through the multi-byte API under a UTF-8 locale.
#pragma once
#include <histedit.h>
#include <stddef.h>
#include <stdio.h>

typedef unsigned char (*tsq_el_function)(EditLine *, int);
typedef char *(*tsq_el_prompt)(EditLine *);

static inline EditLine *tsq_el_open(const char *program) {
  return el_init(program, stdin, stdout, stderr);
}
static inline int tsq_el_set_prompt(EditLine *line, tsq_el_prompt prompt) {
  // '\1' encloses what takes no cells (colour).
  return el_set(line, EL_PROMPT_ESC, prompt, '\1');
}
static inline int tsq_el_set_editor(EditLine *line, const char *name) {
  return el_set(line, EL_EDITOR, name);
}
static inline int tsq_el_set_signal(EditLine *line, int on) { return el_set(line, EL_SIGNAL, on); }
static inline int tsq_el_add_function(
    EditLine *line, const char *name, const char *help, tsq_el_function function) {
  return el_set(line, EL_ADDFN, name, help, function);
}
static inline int tsq_el_bind(EditLine *line, const char *key, const char *command) {
  return el_set(line, EL_BIND, key, command, NULL);
}
/// Sets one flag or character of the terminal while a line is edited, as "-isig".
static inline int tsq_el_set_tty(EditLine *line, const char *mode) {
  return el_set(line, EL_SETTY, "-d", mode, NULL);
}
static inline int tsq_el_prepare_terminal(EditLine *line, int on) {
  return el_set(line, EL_PREP_TERM, on);
}
static inline int tsq_el_refresh(EditLine *line) { return el_set(line, EL_REFRESH); }
static inline int tsq_el_set_data(EditLine *line, void *data) {
  return el_set(line, EL_CLIENTDATA, data);
}
static inline void *tsq_el_data(EditLine *line) {
  void *data = NULL;
  el_get(line, EL_CLIENTDATA, &data);
  return data;
}
static inline int tsq_el_set_history(EditLine *line, History *entries) {
  return el_set(line, EL_HIST, history, entries);
}
static inline int tsq_history_set_size(History *entries, int count) {
  HistEvent event;
  return history(entries, &event, H_SETSIZE, count);
}
static inline int tsq_history_set_unique(History *entries, int on) {
  HistEvent event;
  return history(entries, &event, H_SETUNIQUE, on);
}
static inline int tsq_history_enter(History *entries, const char *text) {
  HistEvent event;
  return history(entries, &event, H_ENTER, text);
}
