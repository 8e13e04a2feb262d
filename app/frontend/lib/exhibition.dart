import 'package:flutter/material.dart';

import 'api.dart';
import 'forms.dart';
import 'live.dart';

/// The one page: what hangs there, and what is said about it.
class Exhibition extends StatefulWidget {
  const Exhibition({super.key, required this.api, required this.live, required this.version});

  final Api api;
  final Live Function(VoidCallback onExhibit) live;
  final String version;

  @override
  State<Exhibition> createState() => _ExhibitionState();
}

class _ExhibitionState extends State<Exhibition> {
  late final Live _live = widget.live(_load);
  final TextEditingController _text = TextEditingController();
  List<Exhibit> _exhibits = const [];
  String? _person;
  String _state = 'Loading …';

  @override
  void initState() {
    super.initState();
    _live.open();
    _load();
    widget.api.person().then((name) => _update(() => _person = name), onError: (_) {});
  }

  @override
  void dispose() {
    _live.dispose();
    _text.dispose();
    super.dispose();
  }

  void _update(VoidCallback change) {
    if (mounted) {
      setState(change);
    }
  }

  Future<void> _load() async {
    try {
      final exhibits = await widget.api.exhibits();
      _update(() {
        _exhibits = exhibits;
        _state = exhibits.isEmpty ? 'Nothing hangs here yet. Be the first.' : '';
      });
    } on Exception {
      _update(() => _state = "The exhibits can't be loaded right now.");
    }
  }

  Future<void> _logIn() async {
    final name = await showDialog<String>(context: context, builder: (_) => LoginDialog(api: widget.api));
    if (name != null) {
      _update(() => _person = name);
    }
  }

  Future<void> _logOut() async {
    await widget.api.logOut();
    _update(() => _person = null);
  }

  Future<void> _add() async {
    if (await showDialog<bool>(context: context, builder: (_) => AddDialog(api: widget.api)) ?? false) {
      await _load();
    }
  }

  void _say() {
    final text = _text.text.trim();
    if (text.isNotEmpty) {
      _live.say(text);
      _text.clear();
    }
  }

  @override
  Widget build(BuildContext context) {
    final person = _person;
    return Scaffold(
      appBar: AppBar(
        title: const Text('Vision Week: Virtual Exploration'),
        actions: person == null
            ? [TextButton(onPressed: _logIn, child: const Text('Log in'))]
            : [Center(child: Text(person)), TextButton(onPressed: _logOut, child: const Text('Log out'))],
      ),
      floatingActionButton: person == null
          ? null
          : FloatingActionButton.extended(
              onPressed: _add,
              icon: const Icon(Icons.add),
              label: const Text('Add an exhibit'),
            ),
      body: LayoutBuilder(
        builder: (context, constraints) => constraints.maxWidth < 900
            ? Column(children: [Expanded(child: _grid()), SizedBox(height: 240, child: _conversation())])
            : Row(children: [Expanded(child: _grid()), SizedBox(width: 340, child: _conversation())]),
      ),
    );
  }

  Widget _grid() => _exhibits.isEmpty
      ? Center(child: Text(_state))
      : GridView.extent(
          maxCrossAxisExtent: 320,
          padding: const EdgeInsets.all(16),
          mainAxisSpacing: 16,
          crossAxisSpacing: 16,
          children: [for (final exhibit in _exhibits) _card(exhibit)],
        );

  Widget _card(Exhibit exhibit) {
    final picture = exhibit.picture;
    return Card(
      clipBehavior: Clip.antiAlias,
      child: Column(
        crossAxisAlignment: CrossAxisAlignment.stretch,
        children: [
          Expanded(
            child: picture == null
                ? const ColoredBox(color: Color(0xFF2F8B72))
                : Image.network(
                    Uri.base.resolve(picture).toString(),
                    fit: BoxFit.cover,
                    semanticLabel: 'Picture of ${exhibit.title}',
                  ),
          ),
          ListTile(
            title: Text(exhibit.title),
            subtitle: Text(exhibit.description, maxLines: 3, overflow: TextOverflow.ellipsis),
          ),
        ],
      ),
    );
  }

  Widget _conversation() => ListenableBuilder(
        listenable: _live,
        builder: (context, _) => Padding(
          padding: const EdgeInsets.all(16),
          child: Column(
            crossAxisAlignment: CrossAxisAlignment.stretch,
            children: [
              Text(_live.connected ? 'Live' : 'Live (reconnecting …)', style: Theme.of(context).textTheme.titleMedium),
              Expanded(
                child: ListView(reverse: true, children: [for (final line in _live.lines.reversed) Text(line)]),
              ),
              TextField(
                controller: _text,
                maxLength: 500,
                decoration: const InputDecoration(labelText: 'Say something'),
                onSubmitted: (_) => _say(),
              ),
              Text(widget.version, style: Theme.of(context).textTheme.bodySmall),
            ],
          ),
        ),
      );
}
