// Sends the form that takes the answer to the app; without JavaScript the person presses its button.
document.querySelector("form[data-send-at-once]").submit();
