SELECT CAST(option_value AS BINARY) FROM {prefix}options WHERE option_name = 'user_count' FOR UPDATE
