"""What both clients are asked about a hub: names and Python code.

``one`` is the client, ``alyx`` its REST client, ``f`` what is known of the hub's lab (see
`tests.hub.world`), ``s`` a place to keep things, ``m`` the modules of the implementation, ``home``
a folder to write to.
"""

# ruff: noqa: E501

from __future__ import annotations

Question = tuple[str, str]

_SEARCHES = [
    "",
    "subject=f.subject",
    "subject=f.subject.lower()",
    "subject=f.subject[:3]",
    "subject='nobody'",
    "lab=f.lab",
    "laboratory=f.lab.upper()",
    "lab=f.lab[:4]",
    "number=1",
    "number='001'",
    "date=f.date",
    "date_range=f.date",
    "date_range=[f.date, f.date]",
    "date_range=['2020-01-01', None]",
    "date_range=[None, '2020-06-01']",
    "date_range=['2020-01-01', '2021-01-01']",
    "task='ephys'",
    "task_protocol='choiceworld'",
    "project='brainwide'",
    "projects='behaviour'",
    "users='test_user'",
    "users=['test_user', 'olivier']",
    "users='olivier'",
    "location='rig'",
    "procedures='Behavior training/tasks'",
    "type='Experiment'",
    "dataset_types='spikes.times'",
    "dataset_types=['spikes.times', 'trials.table']",
    "datasets='spikes.times.npy'",
    "datasets=['spikes.times.npy', '_ibl_trials.table.pqt']",
    "datasets='spikes.times'",
    "datasets='spikes.times.npy', dataset_qc_lte='PASS'",
    "datasets='spikes.times.npy', dataset_qc_lte='CRITICAL'",
    "tag='2022_Q2_IBL_et_al_RepeatedSite'",
    "tag='RepeatedSite'",
    "atlas_acronym='TH'",
    "atlas_acronym='RH'",
    "atlas_acronym='th'",
    "atlas_name='thalamus'",
    "atlas_id=549",
    "histology=True",
    "qc='PASS'",
    "qc='NOT_SET'",
    "performance_gte=50",
    "performance_lte=90",
    "nickname=f.subject",
    "id=f.eid",
    "extended_qc='x__gte,0.5'",
    "json='a,1'",
    "django='subject__nickname,' + f.subject",
    "django='lab__name__icontains,lab,number,1'",
    "django='~number,1'",
    "django='start_time__date,' + f.date",
    "django='data_dataset_session_related__name,spikes.times.npy'",
    "django='probe_insertion__name__in,[\\'probe00\\', \\'probe01\\']'",
    "lab=f.lab, datasets='spikes.times.npy', atlas_acronym='TH', project='brainwide'",
    "limit=2",
    "foo='bar'",
    "sub='x', subj='y'",
]

_INSERTIONS = [
    "",
    "atlas_acronym='RH'",
    "atlas_acronym='TH'",
    "atlas_acronym='TH', datasets='spikes.times.npy', project='brainwide'",
    "atlas_name='thalamus'",
    "atlas_id=549",
    "session=f.eid",
    "name='probe00'",
    "subject=f.subject",
    "lab=f.lab",
    "laboratory=f.lab",
    "number=1",
    "date=f.date",
    "task_protocol='ephys'",
    "project='brainwide'",
    "dataset='spikes.times'",
    "dataset='spikes'",
    "datasets=['spikes.times.npy', 'clusters.metrics.pqt']",
    "dataset_types='spikes.times'",
    "datasets='spikes.times.npy', dataset_qc_lte='PASS'",
    "tag='2022_Q2_IBL_et_al_RepeatedSite'",
    "model=f.model",
    "model='3B2'",
    "serial='nothing'",
    "django='datasets__tags__name,2022_Q2_IBL_et_al_RepeatedSite'",
    "django='session__subject__nickname,' + f.subject",
    "limit=2",
]

_LISTS = [
    "",
    "filename='spikes*'",
    "filename='*trials*'",
    "filename=['spikes.times.npy', '_ibl_trials.table.pqt']",
    "filename={'object': 'spikes', 'attribute': ['times', 'clusters']}",
    "collection='alf'",
    "collection='alf*'",
    "collection='*probe00*'",
    "collection=f.collection",
    "revision=''",
    "revision='2030'",
    "revision='2020-01-01'",
    "qc='PASS'",
    "qc='CRITICAL'",
    "ignore_qc_not_set=True",
    "default_revisions_only=True",
    "query_type='local'",
    "query_type='remote'",
]

_LOADS = [
    "one.load_object(E, 'trials', collection='alf')",
    "one.load_object(E, 'wheel', collection='alf')",
    "one.load_object(E, 'spikes', collection=f.collection)",
    "one.load_object(E, 'spikes', collection=f.collection, attribute=['times'])",
    "one.load_object(E, 'clusters', collection=f.collection, revision='2020-01-01')",
    "one.load_object(E, 'nope')",
    "one.load_object(E, 'trials', collection='nope')",
    "sorted(one.load_object(E, 'trials', collection='alf', download_only=True))",
    "one.load_dataset(E, '_ibl_wheel.timestamps.npy')",
    "one.load_dataset(E, 'spikes.times.npy', collection=f.collection)",
    "one.load_dataset(E, f.collection + '/spikes.times.npy')",
    "one.load_dataset(E, '_ibl_wheel.timestamps.npy', download_only=True)",
    "one.load_dataset(E, 'nope.nope.npy')",
    "one.load_dataset(E, '_ibl_trials.*')",
    "one.load_datasets(E, ['_ibl_wheel.timestamps.npy', '_ibl_wheel.position.npy'])[0]",
    "one.load_datasets(E, ['_ibl_wheel.timestamps.npy', 'a.b.npy'], assert_present=False)[0]",
    "one.load_datasets(E, ['_ibl_wheel.timestamps.npy', 'a.b.npy'])",
    "one.load_dataset_from_id(f.plain_dataset)",
    "one.load_dataset_from_id(UUID(f.plain_dataset), download_only=True)",
    "one.load_dataset_from_id(f.plain_dataset, details=True)[1].to_dict()['rel_path']",
    "one.load_dataset_from_id('11111111-1111-4111-8111-111111111111')",
    "sorted(one.load_collection(E, 'alf', download_only=True))",
    "sorted(one.load_collection(E, f.collection))",
    "one.load_collection(E, f.collection, object='channels')",
    "one.load_collection(E, 'nope')",
    "sorted(str(p.relative_to(one.cache_dir)) for p in one.eid2path(E).rglob('*.npy'))",
]

_CONVERSIONS = [
    "one.to_eid(f.eid)",
    "one.to_eid(url + '/sessions/' + f.eid)",
    "one.to_eid({'subject': f.subject, 'date': f.date, 'number': f.number, 'lab': f.lab})",
    "one.eid2path(E)",
    "one.eid2path(f.eid)",
    "one.eid2path('11111111-1111-4111-8111-111111111111')",
    "one.eid2path([f.eid, f.other])",
    "one.path2eid(one.eid2path(E))",
    "one.path2eid(str(one.eid2path(E) / 'alf' / 'a.b.npy'))",
    "one.path2eid('/x/nobody/2020-01-01/001')",
    "one.eid2path(E, query_type='remote')",
    "one.path2eid(one.eid2path(E), query_type='remote')",
    "one.eid2ref(E)",
    "one.eid2ref(E, as_dict=False)",
    "one.eid2ref(E, parse=False)",
    "one.eid2ref(E, parse=False, as_dict=False)",
    "one.eid2ref([f.eid, f.other], as_dict=False)",
    "one.ref2eid(one.eid2ref(E, as_dict=False))",
    "one.ref2path(one.eid2ref(E))",
    "one.path2ref(one.eid2path(E))",
    "one.pid2eid(f.pid)",
    "one.pid2eid(UUID(f.pid))",
    "one.pid2eid('11111111-1111-4111-8111-111111111111')",
    "one.pid2eid(f.pid, query_type='local')",
    "one.eid2pid(E)",
    "one.eid2pid(E, details=True)",
    "one.eid2pid(f.eid, query_type='local')",
    "one.eid2pid('11111111-1111-4111-8111-111111111111')",
    "one.get_details(E)",
    "one.get_details(E, full=True)",
    "one.get_details([f.eid, f.other])",
    "one.get_details(f.eid, query_type='local').to_dict()",
    "one.get_details('11111111-1111-4111-8111-111111111111')",
    "one.path2url(one.eid2path(E) / 'alf' / '_ibl_wheel.timestamps.npy')",
    "one.path2record(one.eid2path(E) / 'alf' / '_ibl_wheel.timestamps.npy').to_dict()",
    "one.type2datasets(f.eid, 'spikes.times')",
    "sorted(one.type2datasets(f.eid, 'spikes.times', details=True)['rel_path'])",
    "one.type2datasets(f.eid, 'nope')",
    "one.dataset2type(f.plain_dataset)",
    "one.dataset2type('nope')",
    "one.describe_revision(f.revision, full=True)",
    "one.describe_revision('nope', full=True)",
    "one.describe_dataset('spikes.times')['name']",
    "one.describe_dataset('nope')",
]

_CACHE = [
    "sorted(one.search_terms())",
    "sorted(one.search_terms(query_type='remote'))",
    "sorted(one.search_terms(query_type='remote', endpoint='insertions'))",
    "sorted(one.search_terms(query_type='local'))",
    "sorted(map(str, one.search(query_type='local')))",
    "sorted(map(str, one.search(query_type='local', lab=f.lab)))",
    "sorted(map(str, one.search(query_type='local', datasets='spikes.times.npy')))",
    "len(one._cache['sessions']), len(one._cache['datasets'])",
    "one.list_subjects()",
    "sorted(one.list_aggregates('subjects')['rel_path'])",
    "one.list_aggregates('subjects', f.subject)['rel_path'].tolist()",
    "len(one.list_aggregates('tags'))",
    "result = one.load_cache(tag='2022_Q2_IBL_et_al_RepeatedSite')",
    "sorted(map(str, one.search(query_type='local')))",
    "sorted(map(str, one.search(query_type='local', lab=f.lab)))",
    "len(one._cache['sessions']), len(one._cache['datasets'])",
    "one._cache['_meta']['raw']['datasets']['database_tags']",
    "one.load_cache(tag='no_such_tag')",
    "result = one.load_cache(clobber=True)",
    "m.api.ONE.cache_clear(); one2 = m.api.ONE(**login, silent=True)\n"
    "one2.load_cache(clobber=True); result = len(one2.search(query_type='local'))",
]

_CLIENT = [
    "sorted(alyx.list_endpoints())",
    "alyx.is_logged_in, alyx.user, alyx.base_url",
    "sorted(alyx.rest_schemes.endpoints)",
    "sorted(alyx.rest_schemes.actions('sessions'))",
    "sorted(alyx.rest_schemes.field_names('sessions', 'list'))",
    "sorted(alyx.rest_schemes.field_names('sessions', 'create'))",
    "alyx.rest('no-such-endpoint', 'list')",
    "alyx.rest('sessions', 'no-such-action')",
    "alyx.rest('sessions', 'read')",
    "alyx.rest('sessions', 'list', no_such_filter='x')",
    "alyx.rest('/sessions', 'list', subject=f.subject)",
    "alyx.rest('sessions?subject=' + f.subject)",
    "alyx.rest('sessions', 'list', id=f.eid)",
    "alyx.rest('sessions', 'list', id=[f.eid, f.other])",
    "alyx.rest('sessions', 'list', django='pk__in,' + str((f.eid, f.other)))",
    "alyx.rest('sessions', 'read', id=url + '/sessions/' + f.eid)",
    "alyx.rest('sessions', 'read', id=UUID(f.eid))['url']",
    "alyx.rest('sessions', 'read', id='11111111-1111-4111-8111-111111111111')",
    "alyx.rest('sessions', 'read', id='rubbish')",
    "alyx.get('/sessions/' + f.eid)['lab']",
    "list(alyx.get('sessions?limit=2'))",
    "r = alyx.rest('sessions', 'list', limit=2); result = (len(r), r[-1], r[0])",
    "r = alyx.rest('sessions', 'list', limit=3, lab=f.lab); result = [r[i]['id'] for i in (0, -1)]",
    "r = alyx.rest('datasets', 'list', limit=7, session=f.eid); result = r[3:12]",
    "[d['url'] for d in alyx.rest('datasets', 'list', limit=50, session=f.eid)]",
    "alyx.rest('sessions', 'list', django='nofield,1')",
    "alyx.rest('sessions', 'list', django='number')",
    "alyx.rest('sessions', 'list', django='password,1')",
    "alyx.rest('users', 'list', django='password__startswith,p')",
    "alyx.rest('insertions', 'list', session='rubbish')",
    "alyx.rest('trajectories', 'list', provenance='Ephys aligned histology track',"
    " probe_insertion=f.pid)",
    "alyx.rest('channels', 'list', probe_insertion=f.pid)[:20]",
    "alyx.rest('labs', 'list', django='session__data_dataset_session_related__tags__name,"
    "2022_Q2_IBL_et_al_RepeatedSite')",
    "alyx.rest('brain-regions', 'list', acronym='TH')",
    "alyx.rest('brain-regions', 'list', descendants='TH')",
    "alyx.rest('brain-regions', 'list', ancestors='RH')",
    "alyx.rest('brain-regions', 'read', id=549)",
    "alyx.rest('water-requirement', 'read', id=f.subject + '?start_date=2020-01-01&end_date=2020-01-03')",
    "alyx.post('/check-protected', data={})",
    "len(alyx.rest('datasets', 'list', limit=5, offset=3))",
    "alyx.get('/water-requirement/' + f.subject + '?start_date=2020-01-01&end_date=2020-01-03')",
    "{t['name']: t['public'] for t in alyx.rest('tags', 'list') if t['public']}",
    "alyx.rest_schemes.url('sessions', 'read')",
    "m.webclient.dataset_record_to_url(alyx.rest('datasets', 'list', id=f.plain_dataset))",
    "m.webclient.dataset_record_to_url(alyx.rest('datasets', 'read', id=f.plain_dataset))",
    "u = alyx.rest('datasets', 'read', id=f.plain_dataset)['file_records']\n"
    "u = [r['data_url'] for r in u if r['data_url']][0]\n"
    "result = alyx.download_file(u, target_dir=home / 'd', return_md5=True)[1]",
    "s.boss = m.webclient.AlyxClient(base_url=url, username='boss', password=f.boss, silent=True)\n"
    "result = s.boss.user",
    "alyx.rest('users', 'create', data={'username': 'u1'})",
    "with m.webclient.no_cache(alyx): result = alyx.rest('tags', 'list')",
    "r = m.api.ONE(base_url=url, username='nobody', password='x', silent=True)",
]

_MAKING = [
    "sub = 'new_' + 'mouse'\ns.sub = sub\n"
    "result = alyx.rest('subjects', 'create', data={'nickname': sub, 'lab': f.lab, 'sex': 'F',"
    " 'birth_date': '2022-01-01', 'responsible_user': 'test_user', 'projects': [f.project]})",
    "s.client = m.registration.RegistrationClient(one=one); result = len(s.client.dtypes) > 20",
    "sorted(s.client.file_extensions)[:10]",
    "s.client.assert_exists(s.sub, 'subjects')['nickname']",
    "p, e = s.client.create_new_session(s.sub, session_root=home / 'rig2' / f.lab / 'Subjects',"
    " date='2022-03-05T10:11:12')\n"
    "result = alyx.rest('sessions', 'read', id=e, no_cache=True)['start_time']",
    "s.client.assert_exists('nobody', 'subjects')",
    "s.client.assert_exists('nobody', 'users')",
    "s.client.assert_exists(['test_user'], 'users')[0]['username']",
    "s.client.ensure_ISO8601('2022-01-01')",
    "s.client.ensure_ISO8601(datetime.date(2022, 1, 1))",
    "s.path, s.eid = s.client.create_new_session(s.sub, session_root=home / 'rig' / f.lab /"
    " 'Subjects', date='2022-03-04', projects=[f.project], task_protocol='t1')\n"
    "result = s.path.relative_to(home).as_posix()",
    "alyx.rest('sessions', 'read', id=s.eid, no_cache=True)",
    "import numpy as np\n"
    "for n in ('spikes.times.npy', 'spikes.clusters.npy', '_ibl_trials.choice.npy', 'un.known.bin'):\n"
    "    p = s.path / 'alf' / n\n    p.parent.mkdir(exist_ok=True)\n    np.save(p, np.arange(9))\n"
    "    q = p.with_name(p.name + '.npy')\n    q.replace(p) if q.exists() else None\n"
    "result = sorted(p.name for p in s.client.find_files(s.path))",
    "s.records = s.client.register_files(sorted(s.client.find_files(s.path)), created_by='test_user',"
    " repository='hub', labs=f.lab, versions='1.0')\nresult = s.records",
    "s.client.register_files(s.path / 'alf' / 'spikes.times.npy', dry=True)",
    "s.client.register_files(s.path / 'alf' / 'spikes.times.npy', qc='PASS', default=True)",
    "s.client.register_files(home / 'nothing' / 'x.npy')",
    "[d['name'] for d in alyx.rest('sessions', 'read', id=s.eid, no_cache=True)"
    "['data_dataset_session_related']]",
    "alyx.rest('datasets', 'list', session=str(s.eid), no_cache=True)",
    "s.tag = alyx.rest('tags', 'create', data={'name': 'locked', 'protected': True, 'public': False})\n"
    "result = s.tag",
    "d = [r for r in s.records if r['name'] == 'spikes.times.npy'][0]\n"
    "result = alyx.rest('datasets', 'partial_update', id=d['id'], data={'tags': ['locked']})['tags']",
    "s.client.check_protected_files([s.path / 'alf' / 'spikes.times.npy'])",
    "s.client.check_protected_files(s.path / 'alf' / 'spikes.clusters.npy')",
    "r = s.client.register_files(s.path / 'alf' / 'spikes.times.npy')\n"
    "result = (r['collection'], r['revision'] == datetime.date.today().isoformat(), r['default'])",
    "d = [r for r in s.records if r['name'] == 'spikes.times.npy'][0]\n"
    "result = alyx.rest('datasets', 'delete', id=d['id'])",
    "s.client.register_session(s.path, file_list=False, task_protocol='t2', n_trials=10,"
    " n_correct_trials=8)",
    "s.client.register_session(s.path, file_list=False, users='nobody')",
    "s.client.register_session(s.path, file_list=False, start_time='2023-01-01')",
    "s.client.register_session(s.path, file_list=False, lab='other')",
    "s.client.register_water_administration(s.sub, 1.5, date_time='2022-03-04T12:00:00')",
    "s.client.register_water_administration(s.sub, 1.5, session=s.eid, water_type='Water')",
    "s.client.register_water_administration(s.sub, 0)",
    "s.client.register_water_administration(s.sub, 1.5, water_type='no such water')",
    "s.client.register_weight(s.sub, 22.5, date_time='2022-03-04T12:00:00')",
    "s.client.register_weight(s.sub, 22.5, user='nobody')",
    "(s.path / 'create_me.flag').touch()\n"
    "p, r = s.client.create_sessions(home / 'rig')\nresult = [x['number'] for x in r], len(p)",
    "alyx.json_field_write('sessions', s.eid, 'json', {'a': 1, 'b': [1, 2]})",
    "alyx.json_field_update('sessions', s.eid, 'json', {'c': {'d': None}})",
    "alyx.clear_rest_cache()",
    "alyx.json_field_remove_key('sessions', s.eid, 'json', 'a')",
    "alyx.json_field_delete('sessions', s.eid, 'json')",
    "alyx.json_field_update('sessions', s.eid, 'extended_qc', {'q': 0.5, 'ok': True})",
    "[x['id'] == str(s.eid) for x in alyx.rest('sessions', 'list', extended_qc='q__gte,0.5',"
    " no_cache=True)]",
    "alyx.rest('sessions', 'partial_update', id=s.eid, data={'qc': 'WARNING', 'narrative': 'x'})",
    "alyx.rest('sessions', 'partial_update', id=s.eid, data={'qc': 'NONSENSE'})",
    "alyx.rest('sessions', 'partial_update', id=s.eid, data={'lab': 'nowhere'})",
    "alyx.rest('sessions', 'partial_update', id=s.eid, data={'number': 'x'})",
    "alyx.rest('sessions', 'update', id=s.eid, data={'subject': s.sub, 'number': 1, 'lab': f.lab,"
    " 'start_time': '2022-03-04T10:11:12', 'users': ['test_user']})",
    "alyx.rest('sessions', 'create', data={'subject': 'nobody', 'number': 1})",
    "alyx.rest('sessions', 'create', data={'number': 1})",
    "s.ins = alyx.rest('insertions', 'create', data={'session': str(s.eid), 'name': 'probe00',"
    " 'model': '3B2', 'serial': '123'})\nresult = s.ins",
    "alyx.rest('insertions', 'create', data={'session': str(s.eid), 'name': 'probe00'})",
    "s.traj = alyx.rest('trajectories', 'create', data={'probe_insertion': s.ins['id'], 'x': 1,"
    " 'y': 2, 'z': 3, 'depth': 4, 'theta': 5, 'phi': 6, 'roll': 0,"
    " 'provenance': 'Ephys aligned histology track', 'coordinate_system': 'IBL-Allen'})\n"
    "result = s.traj",
    "alyx.rest('channels', 'create', data=[{'x': 1.0, 'y': 2.0, 'z': 3.0, 'axial': a, 'lateral': 0,"
    " 'brain_region': 549, 'trajectory_estimate': s.traj['id']} for a in (0, 20)])",
    "one.search_insertions(session=str(s.eid), atlas_acronym='TH')",
    "alyx.rest('insertions', 'read', id=s.ins['id'])",
    "alyx.rest('notes', 'create', data={'user': 'test_user', 'content_type': 'session',"
    " 'object_id': str(s.eid), 'text': 'hello'})",
    "png = bytes.fromhex('89504e470d0a1a0a0000000d4948445200000001000000010806000000"
    "1f15c4890000000d49444154789c6360000002000001e221bc330000000049454e44ae426082')\n"
    "(home / 'i.png').write_bytes(png)\n"
    "with open(home / 'i.png', 'rb') as file:\n"
    "    s.note = alyx.rest('notes', 'create', data={'user': 'test_user',"
    " 'content_type': 'actions.session', 'object_id': str(s.eid), 'text': 'image'},"
    " files={'image': file})\n"
    "result = {k: v for k, v in s.note.items() if k != 'image'}, bool(s.note['image'])",
    "alyx.rest('notes', 'list', object_id=str(s.eid), no_cache=True)[0]['text']",
    "len(alyx.rest('sessions', 'read', id=s.eid, no_cache=True)['notes'])",
    "r = alyx.post('/new-download', data={'datasets': [f.plain_dataset], 'user': 'test_user',"
    " 'projects': [f.project]})\nresult = r['count']",
    "alyx.rest('subjects', 'delete', id=s.sub)",
    "alyx.rest('subjects', 'read', id=s.sub, no_cache=True)",
]

#: What one of each endpoint is made of, how it is changed, and by what it is looked up.
BODIES: dict[str, tuple[str, str, str]] = {
    "channels": (
        "{'axial': 1.5, 'lateral': 2, 'x': 3, 'trajectory_estimate': f.trajectory}",
        "{'axial': 5.5}",
        "id",
    ),
    "chronic-insertions": (
        "{'subject': f.subject, 'name': 'c1', 'model': f.model, 'serial': 's'}",
        "{'serial': 't'}",
        "id",
    ),
    "data-formats": ("{'name': 'zz', 'file_extension': '.zz'}", "{'description': 'd'}", "name"),
    "data-repository": ("{'name': 'r1', 'globus_is_personal': True}", "{'hostname': 'h'}", "name"),
    "data-repository-type": ("{'name': 'rt1'}", "{'json': {'a': 1}}", "name"),
    "dataset-types": ("{'name': 'foo.bar'}", "{'description': 'd'}", "name"),
    "datasets": (
        "{'name': 'foo.times.npy', 'session': url + '/sessions/' + f.eid, 'collection': 'zz',"
        " 'dataset_type': 'unknown', 'data_format': 'npy', 'created_by': 'test_user'}",
        "{'qc': 'PASS'}",
        "url",
    ),
    "files": (
        "{'dataset': url + '/datasets/' + f.plain_dataset, 'data_repository': 'other',"
        " 'relative_path': 'x/y', 'exists': False}",
        "{'exists': True}",
        "url",
    ),
    "insertions": ("{'session': f.other, 'name': 'probe77'}", "{'serial': '9'}", "id"),
    "labs": ("{'name': 'newlab'}", "{'institution': 'i'}", "name"),
    "locations": ("", "{'json': {'a': 1}}", "name"),
    "notes": (
        "{'content_type': 'subject', 'object_id': f.subject_id, 'text': 'x', 'user': 'test_user'}",
        "{'text': 'y'}",
        "id",
    ),
    "procedures": ("{'name': 'procedure'}", "", "name"),
    "projects": ("{'name': 'p1', 'users': ['test_user']}", "{'description': 'd'}", "name"),
    "revisions": ("{'name': '2031-01-01'}", "{'description': 'd'}", "name"),
    "sessions": (
        "{'subject': f.subject, 'number': 77, 'start_time': '2023-01-02T03:04:05.000006'}",
        "{'task_protocol': 'p'}",
        "id",
    ),
    "subjects": ("{'nickname': 'M1', 'lab': f.lab}", "{'description': 'd'}", "nickname"),
    "tags": ("{'name': 'g1'}", "{'public': True}", "name"),
    "trajectories": (
        "{'probe_insertion': f.pid, 'provenance': 'Histology track', 'x': 1, 'y': 2, 'z': 3,"
        " 'depth': 4, 'theta': 5, 'phi': 6, 'roll': 7, 'coordinate_system': 'IBL-Allen'}",
        "{'x': 9}",
        "id",
    ),
    "users": ("{'username': 'u1', 'email': 'u1@example.org'}", "{'email': 'u2@x.org'}", "username"),
    "water-administrations": (
        "{'subject': f.subject, 'date_time': '2020-02-02T02:02:02', 'water_administered': 1.0}",
        "{'water_administered': 2.0}",
        "url",
    ),
    "water-type": ("{'name': 'juice'}", "{'json': {'a': 1}}", "name"),
    "weighings": ("{'subject': f.subject, 'weight': 20.5}", "", "url"),
}

#: Endpoints with so many rows that a thousand pages of three would be asked for.
_MANY = {"brain-regions", "channels", "datasets", "files"}


def endpoint_questions(actions: dict[str, set[str]]) -> list[Question]:
    """Return questions about every endpoint and action that a hub's schema names."""
    out: list[Question] = []
    for name, has in sorted(actions.items()):
        client = "s.boss" if name == "users" else "alyx"  # users are the admin's
        ask = f"{client}.rest({name!r}, "
        out.append((name, "s.it = None"))
        if "list" in has:
            out.append((name, f"{ask}'list', no_cache=True)[:60]"))
            limit = 300 if name in _MANY else 3
            out.append((name, f"list({ask}'list', limit={limit}))[:7]"))
        make, change, key = BODIES.get(name, ("", "", "id"))
        if "list" in has and "read" in has:
            keys = "('id', 'name', 'nickname', 'username', 'url')"
            out.append(
                (
                    name,
                    f"r = {ask}'list')[:1]\nk = [{key!r}, *{keys}]\n"
                    f"result = [{ask}'read', id=str(next(x[i] for i in k if i in x)))"
                    " for x in r]",
                )
            )
        if "read" in has:
            out.append((name, f"{ask}'read', id='11111111-1111-4111-8111-111111111111')"))
            out.append((name, f"{ask}'read', id='nothing of this name')"))
        if make and "create" in has:
            out.append((name, f"s.it = {ask}'create', data={make})\nresult = s.it"))
            out.append((name, f"{ask}'create', data={make})"))
        if make and "create" in has and "partial_update" in has and change:
            out.append((name, f"{ask}'partial_update', id=s.it[{key!r}], data={change})"))
        if make and "update" in has:
            out.append((name, f"{ask}'update', id=s.it[{key!r}], data={make})"))
        if make and "delete" in has:
            out.append((name, f"{ask}'delete', id=s.it[{key!r}])"))
            out.append((name, f"{ask}'read', id=s.it[{key!r}], no_cache=True)"))
        if "create" in has:
            out.append((name, f"{ask}'create', data={{'nonsense': 1}})"))
    return out


def questions(actions: dict[str, set[str]]) -> list[Question]:
    """Return all questions: those that only read first."""
    out: list[Question] = [("client", q) for q in _CLIENT]
    out += [("search", f"[str(x) for x in one.search({t})]") for t in _SEARCHES]
    out += [
        (
            "search",
            f"r = one.search({t}, details=True)\nresult = [str(x) for x in r[0]], list(r[1] or [])",
        )
        for t in _SEARCHES[1:12]
    ]
    out += [("insertions", f"[str(x) for x in one.search_insertions({t})]") for t in _INSERTIONS]
    out += [
        ("insertions", f"r = one.search_insertions({t}, details=True)\nresult = list(r[1])")
        for t in _INSERTIONS[1:4]
    ]
    for verb in ("list_datasets", "list_collections", "list_revisions"):
        out += [("list", f"sorted(one.{verb}(f.eid, {t}))") for t in _LISTS]
    out += [
        ("list", "one.list_datasets(f.eid, details=True).sort_values('rel_path')"),
        ("list", "one.list_datasets('11111111-1111-4111-8111-111111111111')"),
        ("list", "sorted(one.list_datasets(query_type='local'))[:50]"),
    ]
    out += [("convert", q.replace("(E", "(f.eid")) for q in _CONVERSIONS]
    out += [("load", q.replace("(E", "(f.eid")) for q in _LOADS]
    out += [("cache", q) for q in _CACHE]
    out += endpoint_questions(actions)
    out += [("make", q) for q in _MAKING]
    return out
