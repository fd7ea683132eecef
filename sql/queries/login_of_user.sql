SELECT user_login FROM {users} WHERE ID = ?
