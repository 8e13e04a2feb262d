import 'package:flutter/material.dart';

import 'api.dart';

/// A dialog with two fields whose work may be refused; it then shows why and stays open.
class _FormDialog<T> extends StatefulWidget {
  const _FormDialog({
    required this.title,
    required this.labels,
    required this.work,
    this.secondIsSecret = false,
  });

  final String title;
  final (String, String) labels;
  final Future<T> Function(String first, String second) work;
  final bool secondIsSecret;

  @override
  State<_FormDialog<T>> createState() => _FormDialogState<T>();
}

class _FormDialogState<T> extends State<_FormDialog<T>> {
  final TextEditingController _first = TextEditingController();
  final TextEditingController _second = TextEditingController();
  bool _busy = false;
  String _error = '';

  @override
  void dispose() {
    _first.dispose();
    _second.dispose();
    super.dispose();
  }

  Future<void> _submit() async {
    setState(() => _busy = true);
    try {
      final result = await widget.work(_first.text, _second.text);
      if (mounted) {
        Navigator.of(context).pop(result);
      }
    } on Exception catch (error) {
      if (mounted) {
        setState(() {
          _busy = false;
          _error = error is Refused ? error.detail : "The server can't be reached.";
        });
      }
    }
  }

  @override
  Widget build(BuildContext context) => AlertDialog(
        title: Text(widget.title),
        content: Column(
          mainAxisSize: MainAxisSize.min,
          children: [
            TextField(controller: _first, autofocus: true, decoration: InputDecoration(labelText: widget.labels.$1)),
            TextField(
              controller: _second,
              obscureText: widget.secondIsSecret,
              decoration: InputDecoration(labelText: widget.labels.$2),
              onSubmitted: (_) => _submit(),
            ),
            if (_error.isNotEmpty)
              Semantics(
                liveRegion: true,
                child: Text(_error, style: TextStyle(color: Theme.of(context).colorScheme.error)),
              ),
          ],
        ),
        actions: [
          TextButton(onPressed: () => Navigator.of(context).pop(), child: const Text('Cancel')),
          FilledButton(onPressed: _busy ? null : _submit, child: Text(widget.title)),
        ],
      );
}

/// Gives the name of whoever has logged in.
class LoginDialog extends StatelessWidget {
  const LoginDialog({super.key, required this.api});

  final Api api;

  @override
  Widget build(BuildContext context) => _FormDialog<String?>(
        title: 'Log in',
        labels: ('E-mail address', 'Password'),
        secondIsSecret: true,
        work: api.logIn,
      );
}

/// Gives true when an exhibit was added.
class AddDialog extends StatelessWidget {
  const AddDialog({super.key, required this.api});

  final Api api;

  @override
  Widget build(BuildContext context) => _FormDialog<bool>(
        title: 'Add an exhibit',
        labels: ('Title', 'Description'),
        work: (title, description) async {
          await api.add(title, description);
          return true;
        },
      );
}
