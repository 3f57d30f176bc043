"""The contact form."""

from django import forms

from apps.main.models import ContactMessage


class ContactForm(forms.ModelForm):
    text = forms.CharField(label="Message", max_length=5000, widget=forms.Textarea(attrs={"rows": 6}))

    class Meta:
        model = ContactMessage
        fields = ("name", "email", "text")
