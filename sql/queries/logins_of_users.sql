SELECT ID, user_login FROM {users} WHERE ID IN ({each: ?})
