UPDATE {users} SET user_activation_key = ? WHERE ID = ?
