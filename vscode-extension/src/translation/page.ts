/** The translation panel's page. */
document.title = 'Translation';
