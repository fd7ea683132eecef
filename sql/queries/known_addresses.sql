-- Which of these addresses users have, for people: a call looks more closely.
SELECT user_email FROM {users} WHERE user_email IN ({each: ?})
